/** What the backend uses of sodium-native, which brings no declarations of its own. Lengths are checked by it. */
declare module 'sodium-native' {
  const library: {
    /** ChaCha20-Poly1305 of RFC 8439: `ciphertext` has 16 bytes more than `message`, and may begin at the same place. */
    crypto_aead_chacha20poly1305_ietf_encrypt(
      ciphertext: Uint8Array,
      message: Uint8Array,
      associatedData: Uint8Array,
      secretNonce: null,
      publicNonce: Uint8Array,
      key: Uint8Array,
    ): number;
    /** The reverse. Throws if the tag does not verify. */
    crypto_aead_chacha20poly1305_ietf_decrypt(
      message: Uint8Array,
      secretNonce: null,
      ciphertext: Uint8Array,
      associatedData: Uint8Array,
      publicNonce: Uint8Array,
      key: Uint8Array,
    ): number;
    /** SHA-256. */
    crypto_hash_sha256(output: Uint8Array, input: Uint8Array): void;
    /** The public key of an X25519 private key. */
    crypto_scalarmult_base(publicKey: Uint8Array, privateKey: Uint8Array): void;
    /** X25519. Throws if the secret is all zero. */
    crypto_scalarmult(secret: Uint8Array, privateKey: Uint8Array, publicKey: Uint8Array): void;
  };
  export default library;
}
