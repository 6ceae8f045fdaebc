export function withAbsoluteLinks(text: string, address: string, isFolder: (path: string) => boolean): string;
export function withRelativeLinks(text: string, address: string): string;
