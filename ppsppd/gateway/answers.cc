#include "gateway/answers.h"

#include <algorithm>
#include <utility>

#include "gateway/place.h"
#include "metadata/text.h"

namespace ppspp::daemon {
namespace {

constexpr const char* kMethods = "GET, HEAD, OPTIONS";

bool is_allowed(const GatewayOptions& options, std::string_view origin) {
  return std::ranges::find(options.cors, origin) != options.cors.end();
}

}  // namespace

http::Headers cors_headers(const GatewayOptions& options, const http::Request& request) {
  if (options.cors.empty()) return {};
  const std::string origin(request.header("origin"));
  http::Headers headers;
  if (is_allowed(options, "*")) {
    headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else {
    headers.emplace_back("Vary", "Origin");
    if (origin.empty() || !is_allowed(options, origin)) return headers;
    headers.emplace_back("Access-Control-Allow-Origin", origin);
  }
  headers.emplace_back("Access-Control-Expose-Headers",
                       "Accept-Ranges, Content-Length, Content-Range, ETag");
  return headers;
}

void answer_options(const GatewayOptions& options, http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  http::Headers headers = cors_headers(options, request);
  headers.emplace_back("Allow", kMethods);
  const bool allowed = std::ranges::any_of(
      headers, [](const auto& h) { return h.first == "Access-Control-Allow-Origin"; });
  if (allowed && !request.header("access-control-request-method").empty()) {
    headers.emplace_back("Access-Control-Allow-Methods", kMethods);
    headers.emplace_back("Access-Control-Allow-Headers",
                         "If-Match, If-None-Match, If-Range, Range");
    headers.emplace_back("Access-Control-Max-Age", "86400");
  }
  exchange.respond(204, headers, {});
}

void refuse(const GatewayOptions& options, http::Exchange& exchange, int status,
            const std::string& reason) {
  http::Headers headers = cors_headers(options, exchange.request());
  headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Cache-Control", "no-store");
  if (status == 405) headers.emplace_back("Allow", kMethods);
  if (status == 503 || status == 504) headers.emplace_back("Retry-After", "5");
  exchange.respond(status, headers, reason + "\n");
}

void answer_page(const GatewayOptions& options, http::Exchange& exchange, std::string html) {
  http::Headers headers = cors_headers(options, exchange.request());
  headers.emplace_back("Content-Type", "text/html; charset=utf-8");
  headers.emplace_back("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Cache-Control", "no-cache");
  exchange.respond(200, headers, std::move(html));
}

void redirect(const GatewayOptions& options, http::Exchange& exchange, const std::string& path) {
  const std::string& target = exchange.request().target;
  const std::size_t query = target.find('?');
  http::Headers headers = cors_headers(options, exchange.request());
  headers.emplace_back("Location", path + (query == std::string::npos ? "" : target.substr(query)));
  exchange.respond(308, headers, {});
}

std::string attachment(const std::string& name) {
  std::string plain;
  for (const char c : name) {
    const bool fits = c >= 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '/' && c != '%';
    plain += fits ? c : '_';
  }
  std::string header = "attachment; filename=\"" + plain + "\"";
  if (plain != name && is_utf8(name)) header += "; filename*=UTF-8''" + encode_extended(name);
  return header;
}

}  // namespace ppspp::daemon
