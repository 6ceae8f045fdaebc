import { createHash } from 'node:crypto';

export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
export const text = (message: Uint8Array | null | undefined): string | undefined =>
  message ? Buffer.from(message).toString() : undefined;
export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
