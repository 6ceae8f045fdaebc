/** The names by which programs import the package that is in `root`. */
export function entriesOf(root: string): string[];
/** What a README states of entries that have another size than measured, by more than a fiftieth, as lines of text. */
export function findMisstated(
  readme: string,
  sizes: Readonly<Record<string, { readonly minified: number; readonly gzip: number }>>,
): string[];
/** Bytes of an entry, and of what it loads at once, as a program in `folder` bundles it. */
export function sizeOf(entry: string, folder: string): Promise<{ minified: number; gzip: number }>;
