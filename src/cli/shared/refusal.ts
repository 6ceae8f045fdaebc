import { codeOf, quote } from '../../errors.js';
import { CommandError, exitCodes } from './failure.js';

/** The refusal of a file; the sender is told the reason. */
export class Refusal extends CommandError {
  readonly reason: string;

  constructor(exitCode: number, name: string, reason: string, cause?: unknown) {
    super(exitCode, `refused ${quote(name)}: ${reason}`, [], cause);
    this.reason = reason;
  }
}

/** The name belongs to another file. */
export function existingFile(name: string): Refusal {
  return new Refusal(exitCodes.usage, name, 'there is a file of that name, which is not overwritten');
}

/** The sender is told the kind of failure, not the path. */
export function unstorable(name: string, error: unknown, exitCode: number = exitCodes.damaged): Refusal {
  return new Refusal(exitCode, name, `it cannot be stored (${codeOf(error) ?? 'unknown'})`, error);
}

/** What an operation of the file system resolves to. Rejects with a {@link Refusal}. */
export async function store<T>(name: string, operation: Promise<T>, exitCode?: number): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw error instanceof Refusal ? error : unstorable(name, error, exitCode);
  }
}
