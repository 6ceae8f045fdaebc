// The tables of bench/browser.mjs, in Markdown.

const tests = {
  pingPong: { title: '64 B ping-pong, per second', target: 'at least 3,000 and 0.6 of raw' },
  download: { title: 'download, 64 KiB a message, MB/s', target: 'at least 100 or 0.5 of raw' },
  upload: { title: 'upload, 64 KiB a message, MB/s', target: 'at least 100 or 0.5 of raw' },
  handshake: { title: 'connect, warm, ms', target: 'at most 12' },
};

const isReached = {
  pingPong: (sealed, ratio) => sealed >= 3000 && ratio >= 0.6,
  download: (sealed, ratio) => sealed >= 100 || ratio >= 0.5,
  upload: (sealed, ratio) => sealed >= 100 || ratio >= 0.5,
  handshake: (sealed) => sealed <= 12,
};

export function browserReport({ browsers }) {
  const parts = Object.values(browsers).map(partOf);
  return parts.join('\n\n');
}

function partOf({ version, suite, rows, memory, profiles }) {
  const head = `**${version}**, suite ${suite}\n\n| work | raw | sealed | ratio | target | | libp2p |\n| --- | --: | --: | --: | --- | --- | --: |`;
  const lines = [head, ...Object.entries(rows).map(rowOf)];
  if (memory) lines.push(...memoryRows(memory));
  if (profiles) lines.push('', ...Object.entries(profiles).map(profileOf));
  return lines.join('\n');
}

function rowOf([test, { raw, sealed, libp2p }]) {
  const ratio = sealed.median / raw.median;
  const { title, target } = tests[test];
  const cells = [title, figure(raw), figure(sealed), ratio.toFixed(2), target];
  return line([...cells, outcome(isReached[test](sealed.median, ratio)), libp2p ? figure(libp2p) : '']);
}

function memoryRows({ raw, sealed }) {
  const peak = sealed.download.peakMiB;
  const left = (each) => each.connects.leftMiB.toFixed(2);
  return [
    line([
      ...['peak memory of the large download above the start, MiB', raw.download.peakMiB.toFixed(1)],
      ...[peak.toFixed(1), '', 'below 64', outcome(peak < 64), ''],
    ]),
    line(['memory left after the connects, MiB', left(raw), left(sealed), '', '', '', '']),
  ];
}

function profileOf([test, shares]) {
  const words = Object.entries(shares).map(([name, share]) => `\`${name}\` ${share.toFixed(1)} %`);
  return `- ${tests[test].title}: ${words.join(', ')}`;
}

function figure({ median, spread }) {
  const digits = median < 100 ? 1 : 0;
  return `${median.toFixed(digits)} ± ${((spread * median) / 2).toFixed(digits)}`;
}

const line = (cells) => `| ${cells.join(' | ')} |`;
const outcome = (isGood) => (isGood ? 'reached' : '**missed**');
