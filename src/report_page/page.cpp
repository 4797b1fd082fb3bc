// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "base/json.h"
#include "report_page/files.h"
#include "report_page/layout.h"
#include "report_page/picture.h"
#include "tightrope/error.h"
#include "tightrope/report_page.h"

namespace tightrope {
namespace {

using report_page::Layout;
using report_page::Picture;
using report_page::Point;

// A larger network is listed but not drawn: nobody could find anything in the drawing.
constexpr std::size_t kMostDrawn = 4000;

std::string escaped_html(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += letter;
    }
  }
  return escaped;
}

// JSON that stands inside a script element: nothing in it can end the element, and JavaScript reads it, too.
std::string script_json(const Json& json) {
  std::string text;
  try {
    text = json.dump();
  } catch (const Json::exception&) {
    throw InvalidArgument("[report] a name is not UTF-8; names of operations need to be UTF-8 for the page");
  }
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kEscapes = {
      {{"<", "\\u003c"}, {">", "\\u003e"}, {"&", "\\u0026"}, {"\u2028", "\\u2028"}, {"\u2029", "\\u2029"}}};
  std::string escaped;
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = std::string_view(text).substr(i);
    const auto* const found =
        std::ranges::find_if(kEscapes, [&](const auto& escape) { return rest.starts_with(escape.first); });
    escaped += found == kEscapes.end() ? rest.substr(0, 1) : found->second;
    i += found == kEscapes.end() ? 1 : found->first.size();
  }
  return escaped;
}

// Replaces each {{name}} of the template; what was put in is not looked at again.
std::string filled(std::string_view page, const std::vector<std::pair<std::string_view, std::string_view>>& texts) {
  std::string result;
  while (true) {
    const std::size_t begin = page.find("{{");
    if (begin == std::string_view::npos) break;
    const std::size_t end = page.find("}}", begin);
    const std::string_view name = page.substr(begin + 2, end - begin - 2);
    const auto text = std::ranges::find(texts, name, &std::pair<std::string_view, std::string_view>::first);
    if (text == texts.end()) throw InternalError(fmt::format("the page asks for '{}'", name));
    result += page.substr(0, begin);
    result += text->second;
    page.remove_prefix(end + 2);
  }
  return result += page;
}

// What became of each operation.
struct Fates {
  std::set<std::string_view> quantized;
  std::set<std::string_view> reverted;

  explicit Fates(const Report& report)
      : quantized(report.quantized.begin(), report.quantized.end()),
        reverted(report.reverted.begin(), report.reverted.end()) {}

  std::string_view of(std::string_view name) const {
    if (reverted.contains(name)) return "reverted";
    return quantized.contains(name) ? "int8" : "float";
  }
};

Json json_of(const Node& node, const Fates& fates, const Decision* decision) {
  const bool is_end = node.kind == OpKind::kParameter || node.kind == OpKind::kResult;
  Json json = {{"name", node.name}, {"type", node.type}, {"fate", is_end ? "end" : fates.of(node.name)}};
  if (decision != nullptr && !decision->why.empty()) json["why"] = decision->why;
  return json;
}

// The operations of the graph in its order, then those that only the report names; with places where they are drawn.
Json operations_of(const Report& report, const PageNetwork& network, const Picture& picture, const Layout& layout) {
  const Fates fates(report);
  Json operations = Json::array();
  std::set<std::string_view> listed;
  for (std::size_t i = 0; i < picture.nodes.size(); ++i) {
    const NodeId id = picture.nodes[i];
    const Node& node = network.graph->node(id);
    listed.insert(node.name);
    const bool is_explained = static_cast<std::size_t>(id) < network.decisions.size();
    Json& json = operations.emplace_back(
        json_of(node, fates, is_explained ? &network.decisions[static_cast<std::size_t>(id)] : nullptr));
    if (i < layout.centers.size()) json["at"] = {layout.centers[i].x, layout.centers[i].y};
  }
  for (const auto& names : {report.reverted, report.quantized}) {
    for (const std::string& name : names) {
      if (!listed.contains(name)) operations.push_back({{"name", name}, {"fate", fates.of(name)}});
    }
  }
  return operations;
}

// An edge is [from, to, x, y, x, y ...]: positions in the list of operations, then where it bends.
Json drawing_of(const Picture& picture, const Layout& layout) {
  Json edges = Json::array();
  for (std::size_t i = 0; i < picture.edges.size(); ++i) {
    Json edge = {picture.edges[i].from, picture.edges[i].to};
    for (const Point& bend : layout.bends[i]) {
      edge.push_back(bend.x);
      edge.push_back(bend.y);
    }
    edges.push_back(std::move(edge));
  }
  return {{"width", layout.width},
          {"height", layout.height},
          {"box", {report_page::kBoxWidth, report_page::kBoxHeight}},
          {"edges", std::move(edges)}};
}

std::string count_of_operations(const Report& report) {
  const std::size_t all = report.quantized.size() + report.reverted.size();
  const std::string_view noun = all == 1 ? "operation" : "operations";
  if (report.reverted.empty()) {
    return fmt::format("{}{} {} {} in 8 bits", all > 1 ? "All " : "", all, noun, all == 1 ? "runs" : "run");
  }
  return fmt::format("{} of {} {} run in 8 bits", report.quantized.size(), all, noun);
}

}  // namespace

std::string verdict(const Report& report) {
  const bool is_relative = report.drop_type == "relative";
  const auto amount = [&](double drop) {
    return is_relative ? fmt::format("{:.3g}% of the original's", 100 * drop) : fmt::format("{:.3g}", drop);
  };
  if (!report.drop) {
    return fmt::format("{}: quantized, not validated, so nothing is known of the accuracy.",
                       count_of_operations(report));
  }
  const double drop = *report.drop;
  if (!report.limits.empty()) {  // the drop is a share of the limit that is used up most
    if (report.status == "met") {
      return fmt::format("{}; all {} metrics are within their limits, of which at most {:.0f} % is used up.",
                         count_of_operations(report), report.limits.size(), 100 * std::max(drop, 0.0));
    }
    return fmt::format(
        "The limits were not met: in the best model found, a metric drops by {:.3g} times what is allowed.", drop);
  }
  const std::string_view worse = report.higher_is_better ? "dropped by" : "rose by";
  const std::string_view better = report.higher_is_better ? "rose by" : "fell by";
  const std::string change = drop == 0 ? std::string("did not change")
                                       : fmt::format("{} {}", drop > 0 ? worse : better, amount(std::abs(drop)));
  if (report.status == "met") {
    return fmt::format("{}; the metric {}, within the limit of {}.", count_of_operations(report), change,
                       amount(report.max_drop));
  }
  return fmt::format("The limit was not met: in the best model found, the metric {}, and {} is allowed.", change,
                     amount(report.max_drop));
}

std::string to_html(const Report& report, const PageNetwork& network) {
  Picture picture;
  if (network.graph != nullptr) picture = report_page::picture_of(*network.graph);
  Layout layout;
  const bool is_drawn = !picture.nodes.empty() && picture.nodes.size() <= kMostDrawn;
  if (is_drawn) layout = report_page::lay_out(static_cast<int>(picture.nodes.size()), picture.edges);

  Json data = {{"report", Json::parse(to_json(report))}};
  data["operations"] = operations_of(report, network, picture, layout);
  data["has_graph"] = network.graph != nullptr;
  if (is_drawn) data["drawing"] = drawing_of(picture, layout);
  data["title"] = network.title;
  const std::string json = script_json(data);
  const std::string title = escaped_html(network.title.empty() ? "Quantization report" : network.title);
  const std::string sentence = escaped_html(verdict(report));
  const std::string status = escaped_html(report.status);
  return filled(report_page::kPage, {{"title", title},
                                     {"verdict", sentence},
                                     {"status", status},
                                     {"style", report_page::kStyle},
                                     {"data", json},
                                     {"library", report_page::kLibrary},
                                     {"script", report_page::kScript}});
}

}  // namespace tightrope
