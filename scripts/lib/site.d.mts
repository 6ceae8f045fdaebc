/** What a document is staged with: the checkout, the documents that become pages, images found, where sources are shown. */
export interface StageContext {
  readonly root: string;
  readonly documents: readonly string[];
  readonly images: Set<string>;
  readonly repository: string | undefined;
}

export function stageDocument(context: StageContext, name: string): string;
export function stageSite(root: string): void;
