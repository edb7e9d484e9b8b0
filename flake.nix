{
  description = "What `make` needs besides the Python packages, which stay those of the lock file";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forEachSystem = f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      devShells = forEachSystem (
        pkgs:
        let
          inherit (pkgs.stdenv.hostPlatform) isLinux;
          python = pkgs.python313;
          jdk = pkgs.jdk21_headless;
          # What wheels expect of any Linux, and Nix's loader looks for nowhere.
          libraries = lib.makeLibraryPath [
            pkgs.stdenv.cc.cc.lib
            pkgs.zlib
          ];
          systemHook =
            if isLinux then
              ''
                if [ -e /etc/NIXOS ] && [ ! -e /run/current-system/sw/share/nix-ld/lib/ld.so ]; then
                  echo "Wheels bring programs (PostgreSQL, uv); on NixOS they need: programs.nix-ld.enable = true" >&2
                fi
              ''
            else
              ''
                export CHROMIUM="''${CHROMIUM:-/Applications/Google Chrome.app/Contents/MacOS/Google Chrome}"
                [ -x "$CHROMIUM" ] || echo "nixpkgs has no Chromium for macOS: install Chrome, or name a browser by CHROMIUM" >&2
              '';
        in
        {
          default = pkgs.mkShellNoCC {
            packages = [
              python
              jdk
              pkgs.uv
              pkgs.gnumake
              pkgs.git
              pkgs.postgresql_18
            ]
            ++ lib.optional isLinux pkgs.chromium;

            env = {
              PYTHON = python.interpreter;
              KPI_VENV = ".venv-nix"; # .venv may be there, of a Python that is not Nix's
              JAVA_HOME = "${jdk.home}";
            }
            // lib.optionalAttrs isLinux {
              CHROMIUM = "${pkgs.chromium}/bin/chromium";
              LOCALE_ARCHIVE = "${pkgs.glibcLocales}/lib/locale/locale-archive";
              # The system's own programs see it, too: if its glibc is older than 2.38, those in C++ do not start in this shell.
              LD_LIBRARY_PATH = libraries;
              # On NixOS, for the programs in wheels.
              NIX_LD = pkgs.stdenv.cc.bintools.dynamicLinker;
              NIX_LD_LIBRARY_PATH = libraries;
            };

            shellHook = ''
              # Nixpkgs sets them for building packages: slow imports, and a hash seed that hides what depends on the order of a set.
              unset PYTHONPATH PYTHONHASHSEED SOURCE_DATE_EPOCH
              export SSL_CERT_FILE="''${SSL_CERT_FILE:-''${NIX_SSL_CERT_FILE:-${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt}}"
              # Where `airflow` looks for its settings, which `make airflow` or `python -m scripts.airflow_home` writes there.
              export AIRFLOW_HOME="''${AIRFLOW_HOME:-''${STATE_DIR:-$PWD/.state}/airflow}"
              # Made by another Python than this one, or its Python was garbage-collected: make makes it anew.
              [ "$KPI_VENV/bin/python" -ef "$PYTHON" ] || rm -rf "$KPI_VENV"
              ${systemHook}
            '';
          };
        }
      );

      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);

      # Python is checked by `make test`, with the ruff of the lock file: that of nixpkgs may format otherwise.
      checks = forEachSystem (pkgs: {
        shell = self.devShells.${pkgs.stdenv.hostPlatform.system}.default;
        format = pkgs.runCommand "format" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
          find ${self} -name '*.nix' -exec nixfmt --check {} +
          touch $out
        '';
      });
    };
}
