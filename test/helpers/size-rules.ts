import ts from 'typescript';

/** Lines of a file above which its first comment has to say why it is one file. */
export const MAX_FILE = 300;
/** Lines of a function. Above 25 it should be in parts, see CONTRIBUTING.md; this is where exceptions end. */
export const MAX_FUNCTION = 39;

/** One sentence for a file that is too long and does not say why, or `undefined`. */
export function fileProblem(file: string, text: string): string | undefined {
  const lines = text.split('\n').length - 1;
  if (lines <= MAX_FILE || /\bone file\b/i.test(firstComment(text))) return undefined;
  return `${file} has ${lines} lines: part it, or begin its first comment by why it is one file`;
}

/** One sentence for each function of a file that is too long. */
export function functionProblems(file: string, text: string): string[] {
  const problems: string[] = [];
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const lineAt = (place: number): number => source.getLineAndCharacterOfPosition(place).line;
  const visit = (node: ts.Node): void => {
    const lines = lineAt(node.end) - lineAt(node.getStart()) + 1;
    if (hasBody(node) && lines > MAX_FUNCTION) problems.push(`${file}: ${nameOf(node)} has ${lines} lines`);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

/** What stands before all code: a comment, or the docstring of a Python file. */
function firstComment(text: string): string {
  const pattern = /^(?:#!.*\n)?\s*(?:\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+|(?:#.*\n)+|"""[\s\S]*?""")/;
  return pattern.exec(text)?.[0].replace(/\s+(?:\*|\/\/|#)?\s*/g, ' ') ?? '';
}

function hasBody(node: ts.Node): node is ts.FunctionLikeDeclaration {
  return ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
}

function nameOf({ name }: ts.FunctionLikeDeclaration): string {
  return name === undefined ? 'a function without a name' : name.getText();
}
