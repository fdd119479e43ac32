import { z } from 'zod';

/**
 * Credentials that a caller brings for one call over HTTP, in place of the server's own. No field of a tool: a model is
 * never asked for one. They go into what is sealed and nowhere else.
 */

const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,8192}$/, 'is no token: visible characters of ASCII, 8 KiB of them at most');
const keyCharsMax = 32 * 1024;

export const broughtCredentials = z
  .strictObject({
    anthropic_api_key: token.optional().describe('For the model of this Claude task'),
    anthropic_oauth_token: token.optional().describe('In place of anthropic_api_key'),
    github_token: token
      .optional()
      .describe('For github_create_issue, and for a repo on the same GitHub that has no repo.secret'),
    ssh_key: z
      .string()
      .max(keyCharsMax, 'is larger than 32 KiB')
      .regex(/^\s*-----BEGIN [A-Z ]*PRIVATE KEY-----[^\0]*$/, 'is no private key')
      .optional()
      .describe('For a repo over ssh that has no repo.secret'),
  })
  .refine((brought) => brought.anthropic_api_key === undefined || brought.anthropic_oauth_token === undefined, {
    message: 'stands beside anthropic_api_key: bring one of them',
    path: ['anthropic_oauth_token'],
  });
export type BroughtCredentials = z.infer<typeof broughtCredentials>;
