// Prints the last line of a CI run, "N passed, N failed, N skipped", from the JSON reports of its tests.
import { existsSync, readFileSync } from 'node:fs';

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('usage: node scripts/ci-summary.mjs REPORT.json...');

const counts = files.map((file) =>
  existsSync(file) ? count(JSON.parse(readFileSync(file, 'utf8'))) : noReport(file),
);
const [passed, failed, skipped] = ['passed', 'failed', 'skipped'].map((name) =>
  counts.reduce((sum, each) => sum + each[name], 0),
);
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

// Tests that never ran must not read as a run without failures.
function noReport(file) {
  console.log(`the tests wrote no ${file}: all of them count as one failure`);
  return { passed: 0, failed: 1, skipped: 0 };
}
