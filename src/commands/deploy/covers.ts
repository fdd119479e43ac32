/**
 * The first place, such as `template.timeout`, where `present` lacks something of `wanted` or has it otherwise;
 * undefined where all of it is there. What `present` has besides (Google fills in defaults) does not count.
 */
export function firstDifference(present: unknown, wanted: unknown, path = ''): string | undefined {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(present) || present.length !== wanted.length) return path;
    return firstOf(wanted.map((each, index) => () => firstDifference(present[index], each, `${path}[${index}]`)));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof present !== 'object' || present === null) return path;
    const fields: Readonly<Record<string, unknown>> = { ...present };
    return firstOf(
      Object.entries(wanted).map(
        ([name, value]) =>
          () =>
            firstDifference(fields[name], value, path === '' ? name : `${path}.${name}`),
      ),
    );
  }
  return isSame(present, wanted) ? undefined : path;
}

/** JSON of Google leaves out what is false, zero or empty. */
function isSame(present: unknown, wanted: unknown): boolean {
  return present === wanted || (present === undefined && (wanted === false || wanted === 0 || wanted === ''));
}

function firstOf(looks: readonly (() => string | undefined)[]): string | undefined {
  for (const look of looks) {
    const found = look();
    if (found !== undefined) return found;
  }
  return undefined;
}
