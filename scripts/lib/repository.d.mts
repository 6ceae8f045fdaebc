/** What keeps a manifest from being published, or nothing. */
export function repositoryProblem(manifest: {
  readonly repository?: string | { readonly url?: string };
  readonly homepage?: string;
  readonly bugs?: string | { readonly url?: string };
}): string | undefined;
