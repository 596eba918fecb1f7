"use strict";

// Charts take their text and grid colours from the page, so that they follow its light or dark theme.
(function charts() {
  const data = JSON.parse(document.getElementById("chart-data").textContent);
  const boxes = [...document.querySelectorAll("[data-chart]")];
  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: color("--grid"), linecolor: color("--line"), zerolinecolor: color("--line"), automargin: true };
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: color("--ink"), size: 12, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--ink") } },
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
  };
  const draw = () => {
    for (const box of boxes) {
      const chart = data[box.dataset.chart];
      Plotly.react(box, chart.data, themed(chart.layout), { responsive: true, displaylogo: false, displayModeBar: false });
    }
  };
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();

// Buttons of a group show one element each and hide the others', or set an attribute of an element for the style sheet.
for (const group of document.querySelectorAll(".toggle")) {
  const buttons = [...group.querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) {
        other.setAttribute("aria-pressed", String(other === button));
        if (other.dataset.shows) document.getElementById(other.dataset.shows).hidden = other !== button;
      }
      if (group.dataset.on) document.getElementById(group.dataset.on).setAttribute(`data-${group.dataset.sets}`, button.value);
    });
  }
}

// Column heads sort: numbers by value, "absent" last, everything else as text.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    const number = Number(text);
    return text === "absent" ? Infinity : Number.isNaN(number) ? text : number;
  };
  table.querySelectorAll("thead .sort").forEach((button) => {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const falls = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const order = (a, b) => {
        const [x, y] = [value(a, head.cellIndex), value(b, head.cellIndex)];
        if (x === Infinity || y === Infinity) return x === y ? 0 : x === Infinity ? 1 : -1;
        const difference = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y), "en", { numeric: true }) : x - y;
        return falls ? -difference : difference;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
