// Prints the last lines of a CI run, from the JSON reports of its tests: what failed, and "N passed, N failed, N skipped".
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { readArguments, stop } from './lib/arguments.mjs';

const usage = 'Usage: node scripts/ci-summary.mjs REPORT.json...';
const { positionals: files } = readArguments(usage, {}, true);
if (files.length === 0) stop(usage);

const counts = files.map((file) =>
  existsSync(file) ? count(JSON.parse(readFileSync(file, 'utf8'))) : noReport(file),
);
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map((name) =>
  counts.reduce((sum, each) => sum + each[name], 0),
);
for (const file of files.filter(existsSync)) nameFailures(JSON.parse(readFileSync(file, 'utf8')));
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || counts.some((each) => each.passed === 0) ? 1 : 0;

function count(report) {
  const failed = report.numFailedTests + filesThatDidNotRun(report).length;
  // An error outside every test leaves all counts clean and success false.
  const unhandled = failed === 0 && !report.success ? 1 : 0;
  if (unhandled) console.log('an error outside of the tests failed the run, see above');
  const skipped = report.numPendingTests + report.numTodoTests;
  return { passed: report.numPassedTests, failed: failed + unhandled, skipped };
}

// A file that cannot be loaded, or whose hooks throw, fails without a failed test in it.
function filesThatDidNotRun(report) {
  return report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
}

// The steps of a run print too much to be kept whole everywhere: what failed is said once more, where it is read first.
function nameFailures({ testResults }) {
  for (const { name, message, status, assertionResults } of testResults) {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    for (const { fullName, failureMessages } of failed)
      console.log(
        `FAILED ${relative(process.cwd(), name)}: ${fullName}\n${failureMessages.map(beginning).join('\n')}`,
      );
    if (status === 'failed' && failed.length === 0)
      console.log(`FAILED ${relative(process.cwd(), name)}, outside of its tests\n${beginning(message)}`);
  }
}

function beginning(message) {
  return message.slice(0, 1_500).split('\n').filter(isOurs).slice(0, 6).join('\n').replace(/^/gm, '  ');
}

function isOurs(line) {
  return !line.includes('node_modules') && !line.includes('node:internal');
}

// Tests that never ran must not read as a run without failures.
function noReport(file) {
  console.log(`the tests wrote no ${file}: all of them count as one failure`);
  return { passed: 0, failed: 1, skipped: 0 };
}
