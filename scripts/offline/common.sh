# What the steps of this folder share.
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kpi-delivery/offline
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$CACHE"

say() { echo "== $*" >&2; }

install_packages() {
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The address that this machine takes Debian from.
debian_archive() {
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Codename: $release" | sort -u | head -1
}
