import { type Command, commonFlags, oneOfRequired, parse, refuseMore } from './shared/arguments.js';
import { completion, manPage } from './shared/manual.js';
import { print } from './shared/output.js';

const helpFlag = { help: commonFlags.help } as const;

/**
 * The commands that print the man page and the completion scripts, which are generated from the manuals of all
 * commands.
 */
export function manualCommands(
  all: () => readonly Command[],
  help: () => string,
  version: () => string,
): Command[] {
  return [manCommand(all, help, version), completionCommand(all)];
}

function manCommand(all: () => readonly Command[], help: () => string, version: () => string): Command {
  return {
    name: 'man',
    summary: 'print a page for man(1)',
    help: `Usage: secure-sockets man

Prints all manuals as one page for man(1).

Options:
  -h, --help              this text

Examples:
  secure-sockets man > /usr/local/share/man/man1/secure-sockets.1
`,
    flags: () => ({ man: helpFlag }),
    run: async (args) => {
      const { positionals } = parse('man', args, helpFlag);
      refuseMore('man takes no arguments', positionals, 'secure-sockets man --help');
      print(manPage(all(), help(), version()));
      return 0;
    },
  };
}

function completionCommand(all: () => readonly Command[]): Command {
  return {
    name: 'completion',
    summary: 'print a script that completes commands and options',
    help: `Usage: secure-sockets completion bash|zsh|fish

Prints a script for a shell that completes commands, options and files.

Options:
  -h, --help              this text

Examples:
  secure-sockets completion bash > /etc/bash_completion.d/secure-sockets
  secure-sockets completion fish > /etc/fish/completions/secure-sockets.fish
`,
    flags: () => ({ completion: helpFlag }),
    run: async (args) => {
      const { positionals } = parse('completion', args, helpFlag);
      print(completion(oneOfRequired('completion', positionals, ['bash', 'zsh', 'fish']), all()));
      return 0;
    },
  };
}
