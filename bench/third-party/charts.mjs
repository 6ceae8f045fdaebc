import * as echarts from 'echarts';

/** Visible on white and on black; each contender has the same colour in every chart. */
const colours = {
  net: '#8a8f98',
  tls: '#e08a1e',
  'tls-plain': '#b5772c',
  ws: '#c9a400',
  'secret-stream': '#c65fa8',
  'libp2p-noise': '#9a6fd0',
  sealed: '#2f8fdd',
  classic: '#2aa487',
  'sealed-noble': '#6fb3e8',
  'sealed-forge': '#4a6fb5',
  'classic-noble': '#6cc7b0',
  'classic-forge': '#2d7d6b',
  node: '#2f8fdd',
  noble: '#e08a1e',
  forge: '#2aa487',
};
const ink = '#868b93';
const line = 'rgba(134, 139, 147, 0.35)';
const font = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif';

/** Bars side by side: one group per category, one colour per series. A bar without a value is left out. */
export function barChart({
  title,
  unit,
  categories,
  series,
  isLogarithmic = false,
  width = 900,
  height = 380,
}) {
  return draw(width, height, {
    ...common(title, series),
    xAxis: { type: 'category', data: categories, axisLabel: { color: ink, interval: 0 }, ...axisLines },
    yAxis: {
      ...valueAxis(unit, isLogarithmic),
      ...(isLogarithmic ? { min: below(series), startValue: below(series) } : {}),
    },
    series: series.map(({ name, values }) => ({
      name,
      color: colours[name],
      type: 'bar',
      data: values.map((value) => value ?? '-'),
      barGap: '8%',
      barMaxWidth: 44,
      label: {
        show: true,
        position: 'top',
        color: ink,
        fontSize: 10,
        formatter: ({ value }) => digits(value),
      },
    })),
  });
}

/** Lines over an axis that is logarithmic or `isLinear`. */
export function lineChart({
  title,
  unit,
  xName,
  points,
  series,
  isLogarithmic,
  isLinear = false,
  width = 700,
  height = 360,
}) {
  return draw(width, height, {
    ...common(title, series),
    xAxis: {
      ...(isLinear ? { type: 'value' } : { type: 'log', logBase: points[1] / points[0] }),
      name: xName,
      nameLocation: 'middle',
      nameGap: 28,
      min: points[0],
      max: points.at(-1),
      nameTextStyle: { color: ink },
      axisLabel: { color: ink, formatter: bytesOrCount, hideOverlap: true },
      splitLine: { show: false },
      ...axisLines,
    },
    yAxis: valueAxis(unit, isLogarithmic),
    series: series.map(({ name, values }) => ({
      name,
      color: colours[name],
      type: 'line',
      symbol: 'circle',
      symbolSize: 7,
      data: points.map((point, i) => [point, values[i]]),
    })),
  });
}

const axisLines = { axisLine: { lineStyle: { color: ink } }, axisTick: { lineStyle: { color: ink } } };

function common(title, series) {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { color: ink, fontFamily: font },
    title: { text: title, left: 'center', textStyle: { color: ink, fontSize: 15, fontWeight: 600 } },
    legend: { data: series.map(({ name }) => name), top: 28, textStyle: { color: ink }, itemGap: 26 },
    grid: { left: 16, right: 24, top: 84, bottom: 36, containLabel: true },
  };
}

function valueAxis(unit, isLogarithmic) {
  return {
    type: isLogarithmic ? 'log' : 'value',
    name: unit,
    nameTextStyle: { color: ink, align: 'left' },
    axisLabel: { color: ink, formatter: digits },
    splitLine: { lineStyle: { color: line } },
    ...axisLines,
  };
}

/** Where bars on a logarithmic axis begin: the power of ten below the smallest. */
function below(series) {
  const values = series.flatMap(({ values }) => values).filter((value) => value > 0);
  return 10 ** (Math.ceil(Math.log10(Math.min(...values))) - 1);
}

function draw(width, height, option) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function digits(value) {
  if (typeof value !== 'number') return '';
  if (value >= 10_000) return `${Math.round(value / 1000)}k`;
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function bytesOrCount(value) {
  if (value >= 2 ** 20 && value % 2 ** 20 === 0) return `${value / 2 ** 20}Mi`;
  return value >= 1024 && value % 1024 === 0 ? `${value / 1024}Ki` : String(value);
}
