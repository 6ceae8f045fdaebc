import { usageError } from './failure.js';

/** A table of a configuration. */
export type Table = Readonly<Record<string, unknown>>;

/** A value as a table. */
export function table(value: unknown, ...hints: string[]): Table {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date))
    return value as Table;
  throw usageError(`it is a table, not ${kindOf(value)}`, ...hints);
}

/** A value as text: what an option takes on the command line. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isInteger(value)) return String(value);
  throw usageError(`it is text or a whole number, not ${kindOf(value)}`);
}

/** A value as true or false. */
export function truth(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw usageError(`it is true or false, not ${kindOf(value)}`);
}

/** What a value is, for messages. */
export function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (value instanceof Date) return 'a date';
  return typeof value === 'object' ? 'a table' : JSON.stringify(value);
}
