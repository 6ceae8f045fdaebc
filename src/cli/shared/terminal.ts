import { constants, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { hasCode } from '../../errors.js';
import { Interrupted } from './failure.js';

/** The user at the controlling terminal, whatever standard input and output are connected to. */
export interface Terminal {
  /** Asks for a line; with `isSecret` the input is not shown. `null`: there was none. */
  ask(prompt: string, isSecret?: boolean): Promise<string | null>;
  close(): void;
}

/** The controlling terminal, if there is one. */
export function openTerminal(): Terminal | undefined {
  const streams = openStreams();
  if (streams === undefined) return undefined;
  const { input, output } = streams;
  // a terminal that hangs up ends the prompt without an answer
  input.on('error', () => {});
  input.setEncoding('utf8');
  return {
    ask: (prompt, isSecret = false) => {
      // before the prompt, so that even the first character is not shown
      if (isSecret) input.setRawMode(true);
      output.write(prompt);
      return isSecret ? askSecret(input, output) : readLine(input);
    },
    close: () => {
      input.destroy();
      output.destroy();
    },
  };
}

function openStreams(): { input: ReadStream; output: WriteStream } | undefined {
  if (process.platform === 'win32') {
    const [input, output] = [process.stdin, process.stderr];
    return input instanceof ReadStream && output instanceof WriteStream ? { input, output } : undefined;
  }
  const descriptor = openDevice();
  if (descriptor === undefined) return undefined;
  return { input: new ReadStream(descriptor), output: new WriteStream(openSync('/dev/tty', 'w')) };
}

/** `undefined` for a process without a controlling terminal, such as a service. */
function openDevice(): number | undefined {
  try {
    return openSync('/dev/tty', constants.O_RDWR);
  } catch (error) {
    if (hasCode(error, 'ENXIO', 'ENOENT', 'ENODEV', 'EACCES', 'EIO', 'EPERM')) return undefined;
    throw error;
  }
}

/** A line as the terminal edits and shows it. */
async function readLine(input: ReadStream): Promise<string | null> {
  let line = '';
  for (;;) {
    const text = await nextText(input);
    if (text === null) return null;
    line += text;
    const end = line.indexOf('\n');
    if (end >= 0) return line.slice(0, end).trim();
  }
}

async function askSecret(input: ReadStream, output: WriteStream): Promise<string | null> {
  try {
    return await readSecret(input);
  } finally {
    input.setRawMode(false);
    output.write('\n');
  }
}

const ERASE = ['\u007f', '\b'];
const [INTERRUPT, END_OF_INPUT, ERASE_LINE] = ['\u0003', '\u0004', '\u0015'];

/** In raw mode we handle editing: erase a character, erase all, cancel. */
async function readSecret(input: ReadStream): Promise<string | null> {
  let typed: string[] = [];
  for (;;) {
    const text = await nextText(input);
    if (text === null) return null;
    for (const character of text) {
      if (character === '\r' || character === '\n') return typed.join('');
      if (character === INTERRUPT) throw new Interrupted('SIGINT');
      if (character === END_OF_INPUT && typed.length === 0) return null;
      if (ERASE.includes(character)) typed.pop();
      else if (character === ERASE_LINE) typed = [];
      else if (character >= ' ') typed.push(character);
    }
  }
}

function nextText(input: ReadStream): Promise<string | null> {
  return new Promise((resolve) => {
    const settle = (text: string | null): void => {
      input.pause();
      input.off('data', onText).off('close', onEnd).off('end', onEnd);
      resolve(text);
    };
    const onText = (text: string | Buffer): void => settle(String(text));
    const onEnd = (): void => settle(null);
    input.on('data', onText).on('close', onEnd).on('end', onEnd).resume();
  });
}
