import { describe, expect, test } from 'vitest';
import { readHeadings, readLinks, readPrograms, readProse, readTables } from '../helpers/markdown.js';

const fence = '```';

describe('programs of a document', () => {
  test('a block is a program of its own, other languages are not', () => {
    const text = [
      '# A',
      '',
      `${fence}ts`,
      'one();',
      fence,
      `${fence}sh`,
      'two',
      fence,
      `${fence}js`,
      'three();',
      fence,
    ];
    expect(readPrograms(text.join('\n'))).toEqual({
      programs: [
        { name: 'line 3', language: 'ts', source: 'one();\n', line: 3 },
        { name: 'line 9', language: 'js', source: 'three();\n', line: 9 },
      ],
      notRun: [],
    });
  });

  test('blocks of one name are one program, with the code that is not shown', () => {
    const text = [
      '<!-- example: chat',
      'const hidden = 1;',
      '-->',
      'Words.',
      '<!-- example: chat -->',
      '',
      `${fence}js`,
      'first(hidden);',
      fence,
      'More words.',
      '<!-- example: chat -->',
      `${fence}ts`,
      'second();',
      fence,
      '<!-- example: chat',
      'hidden.end();',
      '-->',
    ];
    const source = 'const hidden = 1;\nfirst(hidden);\nsecond();\nhidden.end();\n';
    expect(readPrograms(text.join('\n')).programs).toEqual([
      { name: 'chat', language: 'ts', source, line: 7 },
    ]);
  });

  test('a client names its server', () => {
    const text = ['<!-- example: client.mjs with server.mjs -->', `${fence}js`, 'go();', fence].join('\n');
    expect(readPrograms(text).programs).toEqual([
      { name: 'client.mjs', server: 'server.mjs', language: 'js', source: 'go();\n', line: 2 },
    ]);
  });

  test('a block in a list loses the indentation of the list, a longer fence holds a shorter one', () => {
    const text = ['- item', '', `  ${fence}js`, '  if (a) {', '    b();', '', '  }', `  ${fence}`];
    expect(readPrograms(text.join('\n')).programs[0]?.source).toBe('if (a) {\n  b();\n\n}\n');
    const nested = [`${fence}\`md`, `${fence}js`, 'no();', fence, `${fence}\``];
    expect(readPrograms(nested.join('\n')).programs).toEqual([]);
  });

  test('a block may be left out for a reason, which is kept', () => {
    const text = ['<!-- not run: needs a terminal -->', `${fence}js`, 'no();', fence].join('\n');
    expect(readPrograms(text)).toEqual({ programs: [], notRun: [{ line: 2, reason: 'needs a terminal' }] });
  });

  test.each([
    ['a comment that is nearly right', '<!-- example chat -->', 'line 1: this comment is not understood'],
    ['a comment without a reason', '<!-- not run: -->', 'line 1: this comment is not understood'],
    ['a comment before something else', '<!-- example: a -->\n\nWords', 'line 3: the example comment above'],
    ['a comment at the end', '<!-- example: a -->\n', 'the last example comment'],
    [
      'a program of hidden code only',
      '<!-- example: a\ncode();\n-->\n',
      'line 1: the example a shows nothing',
    ],
    ['a block without an end', `${fence}js\ncode();\n`, 'line 1: the block has no end'],
    ['a comment without an end', 'Words\n<!-- example: a\n', 'line 2: the comment has no end'],
  ])('%s is an error', (_name, text, message) => {
    expect(() => readPrograms(text)).toThrow(message);
  });
});

test('headings get the anchors of GitHub', () => {
  const text = [
    '# `SecureClient`',
    '## A *b*, c_d & e-f!',
    '## [Two](x.md) words',
    '## Two words',
    `${fence}\n# no\n${fence}`,
  ];
  expect(readHeadings(text.join('\n')).map(({ text, level, anchor }) => [text, level, anchor])).toEqual([
    ['SecureClient', 1, 'secureclient'],
    ['A b, c_d & e-f!', 2, 'a-b-c_d--e-f'],
    ['Two words', 2, 'two-words'],
    ['Two words', 2, 'two-words-1'],
  ]);
});

test('prose is without blocks, comments and inline code', () => {
  const text = ['a `[b](c)` d', '<!-- e -->', fence, 'f', fence, '``g ` h`` i'].join('\n');
  expect(readProse(text)).toEqual([
    { line: 1, text: 'a  d' },
    { line: 6, text: ' i' },
  ]);
});

test('tables are read cell by cell', () => {
  const text = [
    '| Option | Type |',
    '|---|:--|',
    '| `a` | `1 \\| 2` |',
    '| `b` | |',
    '',
    '| Code |',
    '|-|',
    '| x |',
  ];
  expect(readTables(text.join('\n'))).toEqual([
    {
      header: ['Option', 'Type'],
      rows: [
        ['`a`', '`1 \\| 2`'],
        ['`b`', ''],
      ],
    },
    { header: ['Code'], rows: [['x']] },
  ]);
});

test('links of every kind are found', () => {
  const text = [
    'A [one](one.md) and [two](two.md#a "title"), ![three](<three.png>)',
    '[four]: four.md',
    '<https://five.example> `[no](no.md)`',
    '<img src="six.svg"><a href="#seven">',
    '[[nested](eight.svg)](nine.md)',
  ];
  const targets = readLinks(text.join('\n')).map(({ line, target }) => `${line} ${target}`);
  expect(targets).toEqual([
    ...['1 one.md', '1 two.md#a', '1 three.png', '2 four.md', '3 https://five.example'],
    ...['4 six.svg', '4 #seven', '5 eight.svg', '5 nine.md'],
  ]);
});
