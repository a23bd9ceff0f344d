#include "get_report.h"

#include <boost/json/src.hpp>  // header-only use: in this file alone

namespace ppspp::tools {

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
  return boost::json::serialize(object);
}

}  // namespace ppspp::tools
