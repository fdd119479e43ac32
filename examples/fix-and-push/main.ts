import { runClaudeTask } from './runyard.ts';

const { YARD_URL = 'http://127.0.0.1:8080', YARD_TOKEN = '', GIT_SECRET } = process.env;
const [url, branch, command] = process.argv.slice(2);

if (url === undefined || branch === undefined || command === undefined) {
  console.error('Usage: node examples/fix-and-push/main.ts REPOSITORY BRANCH COMMAND');
  process.exitCode = 2;
} else {
  const task = {
    prompt:
      `In this repository the command \`${command}\` fails. Find out why, and mend the cause in the code. ` +
      'Leave the tests as they are, and change no more than it takes. Say in two sentences what was wrong.',
    repo: {
      url,
      ...(GIT_SECRET === undefined ? {} : { secret: GIT_SECRET }),
      commit: { message: `Mend what made \`${command}\` fail`, push: true, branch, on_conflict: 'fail' },
    },
    // Where it passes, no model is asked.
    setup_commands: [`if ${command}\nthen echo 'It passes: there is nothing to mend.'; exit 1; fi`],
    // Ours to run and not the model's to claim: where it fails, nothing is committed.
    finish_commands: [command],
    max_budget_usd: 5,
    model: 'claude-sonnet-5-5',
  };
  const { response, git, error } = await runClaudeTask({ url: YARD_URL, token: YARD_TOKEN }, task, console.error);
  if (response !== '') console.log(response);
  if (git?.pushed) {
    const { files = 0, insertions = 0, deletions = 0 } = git.diff_stat ?? {};
    console.log(`${git.branch} is ${git.sha}: ${files} files, +${insertions} -${deletions}`);
  }
  if (error !== undefined) {
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}
