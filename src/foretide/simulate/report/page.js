"use strict";
// Draws the figures of the chosen series; everything they need is in the page.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = data.series;
  const narrow = window.matchMedia("(max-width: 640px)");
  const chooser = document.getElementById("series");
  const names = ["trade_off", "worst_day", "typical_day", "whole_period"];

  const layoutOf = (layout) => {
    const copy = structuredClone(layout);
    copy.autosize = true;
    if (narrow.matches) {
      copy.font.size = 13;
      copy.dragmode = false; // a finger that scrolls the page must not zoom the figure
      copy.height += copy.showlegend === false ? 0 : 60;
      copy.legend.entrywidth = 0.48; // two columns
      copy.legend.entrywidthmode = "fraction";
      for (const axis of ["yaxis", "yaxis2", "yaxis3"]) if (copy[axis]) copy[axis].title.standoff = 4;
    }
    return copy;
  };

  const show = (series) => {
    document.getElementById("about").textContent = series.about;
    for (const name of names) {
      const figure = series[name];
      const place = document.getElementById("of-" + name);
      if (place) place.hidden = !figure;
      if (!figure) continue;
      draw(name, figure);
      document.getElementById("words-" + name).textContent = figure.words;
    }
  };

  const config = { responsive: true, displaylogo: false, displayModeBar: false };
  const draw = (name, figure) =>
    Plotly.react(name, structuredClone(figure.data), layoutOf(figure.layout), config);

  const showChosen = () => {
    if (data.scenarios) draw("scenarios", data.scenarios);
    show(all[Number(chooser.value || 0)]);
  };
  chooser.addEventListener("change", showChosen);
  narrow.addEventListener("change", showChosen);
  showChosen();
})();
