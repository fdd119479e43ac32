import type { Installation } from '../../../src/commands/deploy/installation.ts';

/** What the tests of this folder deploy. */
export const installation: Installation = {
  place: {
    project: 'demo-project',
    region: 'europe-west1',
    job: 'runyard',
    bucket: 'demo-bucket',
    kmsKey: 'projects/demo-project/locations/europe-west1/keyRings/runyard/cryptoKeys/tasks',
    endpoints: {},
  },
  retentionDays: 30,
  secrets: [
    { reference: 'secret-manager:npm', uses: [{ use: 'env' }] },
    {
      reference: 'secret-manager:hook',
      uses: [{ use: 'webhook', host: 'hooks.example.com', port: 8443 }],
      owner: 'key:ci',
    },
    { reference: 'env:LOCAL', uses: [{ use: 'env' }] },
  ],
  givenImage: undefined,
  withService: false,
  network: undefined,
};
