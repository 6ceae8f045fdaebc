import { posix } from 'node:path';
import ts from 'typescript';

/** The sources of a package: path from its root to text. */
export type Tree = ReadonlyMap<string, string>;

/** One import, export-from, dynamic import or `import('...')` type. */
export interface Import {
  /** A path of the tree for a relative one, else the specifier as written. */
  readonly target: string;
  readonly typeOnly: boolean;
}

/** Every import of every file, type-only ones included. */
export function importGraph(tree: Tree): Map<string, Import[]> {
  return new Map([...tree].map(([path, text]) => [path, importsOf(path, text)]));
}

/** The first cycle found among the imports, as the paths along it, or nothing. */
export function findCycle(graph: ReadonlyMap<string, readonly Import[]>): string[] | undefined {
  const done = new Set<string>();
  for (const start of graph.keys()) {
    const cycle = walk(start, []);
    if (cycle) return cycle;
  }
  return undefined;

  function walk(file: string, trail: string[]): string[] | undefined {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const { target } of graph.get(file) ?? []) {
      const cycle = walk(target, [...trail, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  }
}

/** Calls `visit` with every node of a source. */
export function visitNodes(path: string, text: string, visit: (node: ts.Node) => void): void {
  const step = (node: ts.Node): void => {
    visit(node);
    ts.forEachChild(node, step);
  };
  step(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
}

/** Whether an identifier names a value or type that stands elsewhere, rather than a member or its own declaration. */
export function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return !('name' in parent && parent.name === node);
}

function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  visitNodes(path, text, (node) => {
    const one = readImport(node);
    if (one) found.push({ ...one, target: resolve(path, one.target) });
  });
  return found;
}

function readImport(node: ts.Node): Import | undefined {
  if (ts.isImportDeclaration(node)) return literal(node.moduleSpecifier, isTypeOnlyClause(node.importClause));
  if (ts.isExportDeclaration(node)) return literal(node.moduleSpecifier, node.isTypeOnly);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
    return literal(node.argument.literal, true);
  if (ts.isCallExpression(node) && isLoad(node.expression)) return literal(node.arguments[0], false);
  return undefined;
}

function isTypeOnlyClause(clause: ts.ImportClause | undefined): boolean {
  return clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

function isLoad(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
  );
}

function literal(node: ts.Node | undefined, typeOnly: boolean): Import | undefined {
  if (node === undefined) return undefined;
  // A computed specifier could name anything, so it is reported as what it is: no rule admits it.
  return { target: ts.isStringLiteralLike(node) ? node.text : node.getText(), typeOnly };
}

function resolve(from: string, target: string): string {
  if (!target.startsWith('.')) return target;
  return posix.join(posix.dirname(from), target).replace(/\.js$/, '.ts');
}
