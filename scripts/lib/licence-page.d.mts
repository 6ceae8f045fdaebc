export function licencePage(): {
  readonly apply: (config: unknown, environment: { readonly isSsrBuild: boolean }) => boolean;
  readonly generateBundle: (options: unknown, bundle: object) => void;
};
