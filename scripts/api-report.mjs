// The public API as text, so that a change of it is seen in review. Writes test/api/*.api.md from dist/, which must be
// built: npm run api:report.
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { readArguments } from './lib/arguments.mjs';
import { root } from './lib/root.mjs';

const folder = join(root, 'test/api');
const temporary = join(root, 'reports/api-report');
const usage = `Usage: npm run api:report, npm run api:check

  --check  writes nothing, and fails if there is a difference`;
const isCheck = readArguments(usage, { check: { type: 'boolean', default: false } }).values.check;

mkdirSync(folder, { recursive: true });
mkdirSync(temporary, { recursive: true });
const reports = entryTypes().map(([name, types]) => ({ name, isSame: report(name, types) }));
const expected = reports.map(({ name }) => `${name}.api.md`);
const old = readdirSync(folder).filter((file) => file.endsWith('.api.md') && !expected.includes(file));
for (const file of old) if (!isCheck) rmSync(join(folder, file));
const changed = [...reports.filter(({ isSame }) => !isSame).map(({ name }) => name), ...old];
if (changed.length > 0)
  console.log(`${isCheck ? 'the public API differs from test/api' : 'written'}: ${changed.join(', ')}`);
if (isCheck && changed.length > 0) {
  console.log('if that is meant: npm run api:report, and commit what it writes');
  process.exitCode = 1;
}

/** The types of each entry of the package, by a name for its report. */
function entryTypes() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports).flatMap(([path, conditions]) => typesOf(path, conditions));
}

function typesOf(path, conditions, suffix = '') {
  if (typeof conditions === 'string') return [];
  const name = `${path === '.' ? 'index' : basename(path)}${suffix}`;
  const here = conditions.types === undefined ? [] : [[name, conditions.types.default]];
  const nested = Object.entries(conditions).flatMap(([condition, value]) =>
    condition === 'types' ? [] : typesOf(path, value, `-${condition}`),
  );
  return [...here, ...nested].filter(([, types], at, all) => all.findIndex((one) => one[1] === types) === at);
}

function report(name, types) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: join(root, 'api-extractor.json'),
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, types),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.build.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: folder,
        reportTempFolder: temporary,
        includeForgottenExports: true,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  });
  const result = Extractor.invoke(config, {
    localBuild: !isCheck,
    messageCallback: (message) => {
      if (message.logLevel !== ExtractorLogLevel.Error) message.handled = true;
    },
  });
  if (result.errorCount > 0) throw new Error(`the API report of ${name} has ${result.errorCount} errors`);
  return !result.apiReportChanged;
}
