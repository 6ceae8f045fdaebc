import type { Browser } from 'puppeteer-core';

/** Whether there is a Chromium. Throws where REQUIRE_BROWSER=1 says that there has to be one. */
export function haveChromium(): boolean;

/** Starts Chromium without a window. */
export function startChromium(): Promise<Browser>;
