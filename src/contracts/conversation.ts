/** What is kept of a conversation with Claude: one JSON message a line, as the CLI prints them. */

/** The artifact that holds it. It is Runyard's own: no file of a run can take its place. */
export const transcriptPath = 'transcript.jsonl';

/** What the user said. */
export function promptLine(prompt: string): string {
  return JSON.stringify({ type: 'user', message: { role: 'user', content: prompt }, parent_tool_use_id: null });
}

/** The last line of a transcript that did not fit. */
export function cutLine(leftOut: number): string {
  return JSON.stringify({ type: cutType, left_out: leftOut });
}

export function wasCut(transcript: string): boolean {
  return transcript.lastIndexOf(`{"type":"${cutType}"`) > transcript.trimEnd().lastIndexOf('\n');
}

const cutType = 'runyard_cut';
