/** Rows of texts as a table in Markdown, its columns as wide as they need to be; all but the first to the right. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => width(row[column])), 3));
  const line = (row) =>
    `| ${row.map((text, column) => pad(text ?? '', widths[column], column)).join(' | ')} |`;
  const rule = widths.map((size, column) => (column === 0 ? '-'.repeat(size) : `${'-'.repeat(size - 1)}:`));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** Formats a number with as many digits as are significant. */
export function short(value) {
  if (value === undefined) return '';
  if (value >= 100) return String(Math.round(value));
  return value.toPrecision(value >= 10 ? 3 : 2 + (value >= 1 ? 1 : 0));
}

function pad(text, size, column) {
  const space = ' '.repeat(size - width(text));
  return column === 0 ? text + space : space + text;
}

function width(text = '') {
  return [...text].length;
}
