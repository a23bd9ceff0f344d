// What the answers of the gateway have in common.
#pragma once

#include <string>

#include "gateway/gateway.h"
#include "http/http_server.h"

namespace ppspp::daemon {

// The headers by which a browser lets pages of other origins read (CORS); none for others.
http::Headers cors_headers(const GatewayOptions& options, const http::Request& request);
// The answer to OPTIONS, by which a browser asks before it sends what it may not send unasked.
void answer_options(const GatewayOptions& options, http::Exchange& exchange);

// One line of text. 503 and 504 say when to come back.
void refuse(const GatewayOptions& options, http::Exchange& exchange, int status,
            const std::string& reason);

// A page of ours.
void answer_page(const GatewayOptions& options, http::Exchange& exchange, std::string html);
void redirect(const GatewayOptions& options, http::Exchange& exchange, const std::string& path);

// Content-Disposition of what is to be kept under this name.
std::string attachment(const std::string& name);

}  // namespace ppspp::daemon
