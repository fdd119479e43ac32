import type { Finding } from '../../../contracts/sandbox.ts';
import { disabledApis } from '../../deploy/apis.ts';
import { googleApis } from '../../deploy/google-rest.ts';
import { declaredSecrets, type Installation } from '../../deploy/installation.ts';
import { gcloud } from '../../deploy/shell.ts';
import { type CloudView, look, type Told } from './look.ts';

/** The project, and whether the APIs of it are on that tasks need. */
export async function projectFinding(view: CloudView): Promise<Finding> {
  const { installation, rest } = view;
  const { project } = installation.place;
  return look('project', view, async (): Promise<Told> => {
    const disabled = await disabledApis(installation, rest);
    if (disabled.length === 0) return { state: 'ok', detail: `${project}, with all APIs that are needed` };
    const isNeeded = disabled.some((api) => neededByTasks(installation).includes(api));
    return {
      state: isNeeded ? 'missing' : 'limited',
      detail: `${project}: not enabled: ${disabled.join(', ')}${isNeeded ? '' : ', which only "runyard deploy" needs'}`,
      remedy: `${gcloud('services', 'enable', ...disabled, `--project=${project}`)} (it takes a minute or two)`,
    };
  });
}

function neededByTasks(installation: Installation): string[] {
  const always = [googleApis.run.host, googleApis.storage.host, googleApis.kms.host, 'sts.googleapis.com'];
  return declaredSecrets(installation).length === 0 ? always : [...always, googleApis.secretManager.host];
}
