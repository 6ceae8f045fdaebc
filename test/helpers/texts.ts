import { createHash } from 'node:crypto';

// Messages as tests write and compare them.

export const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);

export const text = (message: Uint8Array | null | undefined): string | null =>
  message ? Buffer.from(message).toString() : null;

export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
