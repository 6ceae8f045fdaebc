export interface Licence {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
}
export function licencesOf(root: string): Licence[];
export function findRefused(licences: readonly Licence[]): Licence[];
