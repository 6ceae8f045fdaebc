// Text for a terminal of 80 columns.

/** Sixteen bytes a line: offset, hexadecimal, and the characters where there are some. */
export function hexDump(bytes, offset = 0) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const characters = [...row].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'));
    lines.push(`    ${String(offset + at).padStart(4)}  ${hex.padEnd(47)}  ${characters.join('')}`);
  }
  return lines.join('\n');
}

/** Columns as wide as they have to be; texts to the left, numbers to the right. */
export function table(header, rows) {
  const cells = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const isNumber = header.map((_, column) => rows.every((row) => /^[\d.]+$/.test(row[column])));
  const line = (row) =>
    row.map((cell, column) =>
      isNumber[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
  const [first, ...rest] = cells.map((row) => `  ${line(row).join('  ')}`.trimEnd());
  return [
    first,
    `  ${'-'.repeat(Math.max(...cells.map((row) => line(row).join('  ').length)))}`,
    ...rest,
  ].join('\n');
}

/** Breaks a text into lines of at most 76 characters, each behind `indent`. */
export function wrap(text, indent = '  ') {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== '' && indent.length + last.length + 1 + word.length > 78) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => indent + line).join('\n');
}
