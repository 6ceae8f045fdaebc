export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (message: Uint8Array | null): string => new TextDecoder().decode(message ?? undefined);
export const pin = `SHA256:${'A'.repeat(43)}`;
