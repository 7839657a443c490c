// The day's charts: what was asked and who answered, how many waited and how long, against yesterday and a week ago.
// The figures come from the history as JSON; a time nobody saw is null, and stays a hole in the drawing.
import { BarChart, LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, CanvasRenderer]);

const ASKED_EVERY_MS = 15000;

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function frame(day, unit) {
  const text = ink("--muted");
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: text },
    aria: { enabled: true, label: { enabled: true } },
    grid: { left: 8, right: 12, top: 50, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, icon: "roundRect", itemWidth: 14, itemHeight: 8, itemGap: 12, textStyle: { color: text, fontSize: 12 } },
    // Rich text, not HTML: the page's content policy allows no style written into markup.
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, valueFormatter: (value) => (value == null ? day.words.unknown : `${value}`) },
    xAxis: { type: "category", data: day.labels, axisTick: { show: false }, axisLabel: { color: text, interval: Math.max(1, day.labels.length / 8) - 1 }, axisLine: { lineStyle: { color: ink("--line") } } },
    yAxis: { type: "value", name: innerWidth < 700 ? "" : unit, minInterval: 1, nameGap: 6, nameTextStyle: { color: text }, axisLabel: { color: text }, splitLine: { lineStyle: { color: ink("--line") } } },
  };
}

const line = (name, data, colour, type = "solid") => ({
  name, data, type: "line", symbol: "none", connectNulls: false, color: colour, lineStyle: { width: type === "solid" ? 2.5 : 1.5, type },
});
const bar = (name, data, colour, decal) => ({
  name, data, type: "bar", stack: "today", color: colour, barCategoryGap: "20%", itemStyle: { decal },
});

function calls(day) {
  const { words, today, yesterday, last_week: week } = day;
  return {
    ...frame(day, words.calls),
    series: [
      bar(words.home, today.answered_home, ink("--home")),
      bar(words.remote, today.answered_remote, ink("--remote"), { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 3], rotation: -Math.PI / 4, color: "rgba(0,0,0,.25)" }),
      bar(words.unanswered, today.unanswered, ink("--unanswered")),
      line(words.asked_yesterday, yesterday.asked, ink("--accent"), "dashed"),
      line(words.asked_week, week.asked, ink("--muted"), "dotted"),
    ],
  };
}

function waits(day) {
  const { words, today, yesterday, last_week: week } = day;
  const axes = frame(day, words.callers);
  const seconds = { ...axes.yAxis, name: innerWidth < 700 ? "" : words.seconds, splitLine: { show: false } };
  return {
    ...axes,
    yAxis: [axes.yAxis, seconds],
    series: [
      line(words.waiting, today.waiting, ink("--accent")),
      { ...line(words.longest, today.longest_s, ink("--warn")), yAxisIndex: 1 },
      { ...line(words.longest_yesterday, yesterday.longest_s, ink("--warn"), "dashed"), yAxisIndex: 1 },
      { ...line(words.longest_week, week.longest_s, ink("--muted"), "dotted"), yAxisIndex: 1 },
    ],
  };
}

class Charts {
  constructor(place) {
    this.place = place;
    this.drawn = [];
    this.day = null;
    addEventListener("resize", () => this.drawn.forEach((chart) => chart.resize()));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.ask();
    setInterval(() => this.ask(), ASKED_EVERY_MS);
  }

  async ask() {
    const said = this.place.querySelector("[data-chart-state]");
    try {
      const answer = await fetch(this.place.dataset.day, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.status);
      this.day = await answer.json();
      said.textContent = this.day.said;
      this.draw();
    } catch {
      said.textContent = this.place.dataset.lost;
    }
  }

  draw() {
    if (!this.day) return;
    const options = { calls, waits };
    const places = [...this.place.querySelectorAll("[data-chart]")];
    this.drawn = places.map((place, n) => {
      const chart = this.drawn[n] ?? init(place, null, { renderer: "canvas" });
      chart.setOption(options[place.dataset.chart](this.day), { notMerge: true });
      place.setAttribute("role", "img");
      return chart;
    });
  }
}

for (const place of document.querySelectorAll("[data-day]")) new Charts(place);
