// The tables of bench/browser.mjs, in Markdown.

/** Of a raw WebSocket: with fewer round trips the machine is too slow for the rate, and the ratio alone judges. */
const FAST_ENOUGH = 5000;

const tests = {
  pingPong: {
    title: '64 B ping-pong, per second',
    target: 'at least 0.6 of raw; at least 3,000 where raw has 5,000',
  },
  download: { title: 'download, 64 KiB a message, MB/s', target: 'at least 100 or 0.5 of raw' },
  upload: { title: 'upload, 64 KiB a message, MB/s', target: 'at least 100 or 0.5 of raw' },
  handshake: { title: 'connect, warm, ms', target: 'at most 12' },
};

const outcomes = {
  pingPong: (sealed, ratio) => `${outcome(ratio >= 0.6)}; ${rateOutcome(sealed, sealed / ratio)}`,
  download: (sealed, ratio) => outcome(sealed >= 100 || ratio >= 0.5),
  upload: (sealed, ratio) => outcome(sealed >= 100 || ratio >= 0.5),
  handshake: (sealed) => outcome(sealed <= 12),
};

function rateOutcome(sealed, raw) {
  return raw < FAST_ENOUGH && sealed < 3000 ? 'raw has fewer' : outcome(sealed >= 3000);
}

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
  return line([...cells, outcomes[test](sealed.median, ratio), libp2p ? figure(libp2p) : '']);
}

function memoryRows({ raw, sealed }) {
  const peak = (each) => figure(each.peakMiB);
  const left = ({ connects: { leftMiB } }) => figure(leftMiB, 2);
  return [
    line([
      ...[
        'peak memory of the large download above the start, MiB',
        peak(raw.download),
        peak(sealed.download),
      ],
      ...['', 'below 64', outcome(sealed.download.peakMiB.median < 64), ''],
    ]),
    line(['the same, each message given back, MiB', '', peak(sealed.givenBack), '', '', '', '']),
    line(['memory left after the connects, MiB', left(raw), left(sealed), '', '', '', '']),
  ];
}

function profileOf([test, shares]) {
  const words = Object.entries(shares).map(([name, share]) => `\`${name}\` ${share.toFixed(1)} %`);
  return `- ${tests[test].title}: ${words.join(', ')}`;
}

function figure({ median, values }, digits = median < 100 ? 1 : 0) {
  const half = (Math.max(...values) - Math.min(...values)) / 2;
  return `${median.toFixed(digits)} ± ${half.toFixed(digits)}`;
}

const line = (cells) => `| ${cells.join(' | ')} |`;
const outcome = (isGood) => (isGood ? 'reached' : '**missed**');
