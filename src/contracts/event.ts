import { z } from 'zod';

/** Where a line of a run came from. `phase` is Runyard's own; the others are what untrusted programs said or did. */
export const eventStream = z.enum(['stdout', 'stderr', 'claude', 'phase', 'usage', 'denied']);
export type EventStream = z.infer<typeof eventStream>;

/** One numbered line of a run. `text` has no newline at its end; `partial` marks a piece that had none. */
export const event = z.object({
  run: z.int().min(0),
  seq: z.int().min(0),
  time: z.iso.datetime(),
  stream: eventStream,
  text: z.string().optional(),
  data: z.json().optional(),
  partial: z.literal(true).optional(),
});
export type Event = z.infer<typeof event>;
