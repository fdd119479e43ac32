import { defaultPromptOf } from '../../app/default-prompt.ts';
import { secretsOf } from '../../app/services.ts';
import type { Config } from '../../config.ts';
import { asRunyardError } from '../../contracts/errors.ts';
import type { Finding } from '../../contracts/sandbox.ts';

const readTimeoutMs = 10_000;

/** Whether the operator's default prompt can be read, where there is to be one; never what it says. */
export async function promptFindings(config: Config): Promise<Finding[]> {
  if (config.systemPrompt === undefined) return [];
  const subject = 'default prompt';
  try {
    const text = await defaultPromptOf(config, secretsOf(config))(AbortSignal.timeout(readTimeoutMs));
    const detail = text === undefined ? 'empty, so there is none' : `${text.length} characters`;
    return [{ subject, state: 'ok', detail }];
  } catch (error) {
    const { message, hint } = asRunyardError(error);
    return [{ subject, state: 'missing', detail: message, remedy: hint }];
  }
}
