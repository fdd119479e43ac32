/** One line for a POSIX shell, each word quoted where it has to be. `"$NAME"` stays a variable of the shell. */
export function shellLine(words: readonly string[]): string {
  return words.map(quote).join(' ');
}

/** The same for gcloud. */
export function gcloud(...words: readonly string[]): string {
  return shellLine(['gcloud', ...words]);
}

/** A list as one word for gcloud, parted by a sign that none of its entries holds. */
export function gcloudList(entries: readonly string[]): string {
  const sign = signs.find((each) => entries.every((entry) => !entry.includes(each))) ?? signs[0];
  return `^${sign}^${entries.join(sign)}`;
}

const signs = [';', '|', '~', '#', '%', '\t'] as const;

/** A JSON value in a file beside the caller, as a line that writes it. */
export function writeJson(file: string, value: unknown): string {
  return `${shellLine(['printf', '%s\\n', JSON.stringify(value)])} > ${quote(file)}`;
}

const plain = /^[A-Za-z0-9_@%+=:,./^-]+$/;
const variable = /^([A-Za-z0-9_=./-]*)("\$[A-Z_]+")$/;

function quote(word: string): string {
  if (plain.test(word) || variable.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
