export interface Component {
  readonly name: string;
  readonly version: string;
  readonly hashes?: readonly unknown[];
}
export interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
export function makeSbom(root: string): Sbom;
