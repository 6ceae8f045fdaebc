/** The names by which programs import the package that is in `root`. */
export function entriesOf(root: string): string[];
/** Bytes of an entry, and of what it loads at once, as a program in `folder` bundles it. */
export function sizeOf(entry: string, folder: string): Promise<{ minified: number; gzip: number }>;
