import type { Finding } from '../../../contracts/sandbox.ts';
import { bucketStep } from '../../deploy/bucket.ts';
import { type CloudView, deployAgain, look, type Told } from './look.ts';

/** The bucket: in this project, closed to the public, and without a memory of what was deleted. */
export async function bucketFinding(view: CloudView): Promise<Finding> {
  const { installation, rest } = view;
  const { bucket, project } = installation.place;
  return look('bucket', view, async (): Promise<Told> => {
    const found = await bucketStep(installation, rest).look();
    switch (found.state) {
      case 'there':
        return {
          state: 'ok',
          detail: `${bucket}: access by roles only, never public, keeps nothing that was deleted, forgets by age`,
        };
      case 'missing':
        return {
          state: 'missing',
          detail: `there is no bucket ${bucket} in ${project}`,
          remedy: 'Run "runyard deploy", which makes it, or correct RUNYARD_BUCKET.',
        };
      case 'differs':
        return { state: 'limited', detail: `${bucket}: ${found.how}`, remedy: deployAgain };
    }
  });
}
