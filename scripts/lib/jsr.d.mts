/** Writes the package for JSR into an empty folder, of what is built. */
export function writeJsrPackage(folder: string): void;
