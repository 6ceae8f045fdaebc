export const text = (message: Uint8Array | null): string | null =>
  message === null ? null : Buffer.from(message).toString();
export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
