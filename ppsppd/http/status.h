// The status of HTTP that tells of an error of ours.
#pragma once

#include "ppspp/result.h"

namespace ppspp::http {

int status_of(Errc code);

}  // namespace ppspp::http
