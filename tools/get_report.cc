#include "get_report.h"

#include <boost/json.hpp>  // compiled in the module json

namespace ppspp::tools {
namespace {

double milliseconds(Microseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

boost::json::value describe(const LatencySummary& latency) {
  if (latency.chunks == 0) return nullptr;
  return {{"min", milliseconds(latency.least)},
          {"median", milliseconds(latency.median)},
          {"p99", milliseconds(latency.p99)},
          {"max", milliseconds(latency.most)}};
}

boost::json::object describe(const LiveStatus& live, const GetReport& report) {
  const std::uint64_t bytes = report.status.downloaded_bytes;
  boost::json::object object;
  object["ended"] = live.ended;
  object["latency_ms"] = describe(live.latency);
  object["tuned_in_seconds"] = nullptr;
  if (report.seconds_to_first_byte) object["tuned_in_seconds"] = *report.seconds_to_first_byte;
  object["chunks_verified"] =
      report.chunk_size == 0 ? 0 : (bytes + report.chunk_size - 1) / report.chunk_size;
  object["chunks_late"] = live.chunks_late;
  object["chunks_skipped"] = live.chunks_skipped;
  object["skips"] = report.skips;
  object["chunks_lost"] = report.chunks_lost;
  object["chunks_per_signature"] = nullptr;
  if (live.chunks_per_signature != 0) object["chunks_per_signature"] = live.chunks_per_signature;
  object["munros_verified"] = live.munros_verified;
  object["signatures_checked"] = live.signatures_checked;
  object["signatures_rejected"] = live.signatures_rejected;
  object["signatures_refused"] = live.signatures_refused;
  return object;
}

}  // namespace

std::string to_json(const GetReport& report) {
  const SwarmStatus& status = report.status;
  const double rate =
      report.seconds > 0 ? static_cast<double>(status.downloaded_bytes) / report.seconds : 0;
  boost::json::object object;
  object["swarm"] = report.swarm_id;
  object["output"] = report.output;
  object["complete"] = report.complete;
  object["bytes"] = status.downloaded_bytes;
  object["content_bytes"] = nullptr;
  if (status.content_length) object["content_bytes"] = *status.content_length;
  object["uploaded_bytes"] = status.uploaded_bytes;
  object["seconds"] = report.seconds;
  object["rate"] = static_cast<std::uint64_t>(rate);
  object["seconds_to_first_byte"] = nullptr;
  if (report.seconds_to_first_byte) {
    object["seconds_to_first_byte"] = *report.seconds_to_first_byte;
  }
  object["peers"] = status.peers_seen;
  object["chunks_rejected"] = status.chunks_rejected;
  object["hashes_rejected"] = status.chunks_unverifiable;
  object["chunks_duplicate"] = status.chunks_duplicate;
  if (status.live) object["live"] = describe(*status.live, report);
  return boost::json::serialize(object);
}

}  // namespace ppspp::tools
