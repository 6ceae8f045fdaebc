import { describe, expect, it } from 'vitest';
import { node } from '../../../backends/node.js';
import { encodePickle } from '../../../src/core/classic/pickle.js';
import { encodeSpki } from '../../../src/core/encodings/der.js';
import { fingerprintOf } from '../../../src/core/encodings/fingerprint.js';
import { SecureSocketError } from '../../../src/errors.js';
import { client, numbers, server, texts } from '../../helpers/classic-ends.js';

describe('classic client', () => {
  it('sends the encrypted key, and the server computes the same', async () => {
    const end = client();
    end.session.start();
    end.session.receive(encodePickle(numbers));
    const wire = end.takeWritten();
    expect(wire.length).toBe(128);
    expect(end.opening?.settleMs).toBe(100);
    const other = server();
    other.session.start();
    other.session.receive(wire);
    await other.settle();
    end.opening?.sender.stage(Buffer.from('both ways'));
    for (const chunk of end.opening?.sender.flush() ?? []) other.session.receive(chunk);
    expect(texts(other.messages)).toEqual(['both ways']);
  });

  it('refuses a small modulus and names the option that admits it', () => {
    const end = client({ minModulusBits: 2048 });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.code).toBe('BAD_KEY');
    expect(String(end.error)).toContain('minModulusBits');
    expect(end.takeWritten().length).toBe(0);
  });

  it('refuses bytes behind the key', () => {
    const end = client();
    end.session.start();
    end.session.receive(Buffer.concat([encodePickle(numbers), Buffer.from('1')]));
    expect(end.code).toBe('BAD_KEY');
    expect(end.takeWritten().length).toBe(0);
  });

  it('says how much follows the key', () => {
    const end = client();
    end.session.start();
    end.session.receive(Buffer.concat([encodePickle(numbers), Buffer.alloc(12)]));
    expect(String(end.error)).toContain("12 bytes follow the server's key, which nothing may");
  });

  it('reads the key however it arrives, and no byte of what comes after the answer', () => {
    const end = client();
    end.session.start();
    for (const byte of encodePickle(numbers)) {
      expect(end.opening).toBeUndefined();
      end.session.receive(Uint8Array.of(byte));
    }
    expect(end.opening).toBeDefined();
    expect(end.session.held).toBe(0);
    end.session.receive(Buffer.from('0'));
    expect(end.code).toBe('BAD_FRAME');
    expect(String(end.error)).toContain(
      `not a message of at most ${2 ** 20} bytes under this connection's key`,
    );
  });

  it('calls an end before or inside the key HANDSHAKE_FAILED', () => {
    const [silent, broken] = [client(), client()];
    for (const end of [silent, broken]) end.session.start();
    silent.session.endOfStream();
    expect(silent.code).toBe('HANDSHAKE_FAILED');
    expect(String(silent.error)).toContain('closed the connection before it sent its key');
    broken.session.receive(encodePickle(numbers).subarray(0, 50));
    broken.session.endOfStream();
    expect(broken.code).toBe('HANDSHAKE_FAILED');
    expect(String(broken.error)).toContain('the peer closed the connection during the handshake');
  });

  it('goes on with what was decided to be the right key', async () => {
    const end = client({ decide: () => undefined });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.tasks.map(({ kind }) => kind)).toEqual(['decision']);
    await end.settle();
    expect(end.takeWritten()).toHaveLength(128);
    expect(end.opening).toBeDefined();
  });

  it('asks for a decision about the key before it encrypts anything', async () => {
    const seen: string[] = [];
    const end = client({
      decide: ({ fingerprint }) => {
        seen.push(fingerprint);
        throw new SecureSocketError('UNTRUSTED_SERVER', 'not this one');
      },
    });
    end.session.start();
    end.session.receive(encodePickle(numbers));
    expect(end.takeWritten().length).toBe(0);
    await end.settle();
    expect(seen).toEqual([fingerprintOf(node, encodeSpki(numbers))]);
    expect(end.code).toBe('UNTRUSTED_SERVER');
    expect(end.takeWritten().length).toBe(0);
  });
});
