# Stands in for nixpkgs where neither github nor a binary cache is in reach. It lists what flake.nix may ask for, as nixos-25.11 has it;
# a name that is not here is an error, as there. Its programs are empty files: a shell can be entered, and looked at.
{
  outputs =
    _:
    let
      lib = {
        genAttrs =
          names: f:
          builtins.listToAttrs (
            map (name: {
              inherit name;
              value = f name;
            }) names
          );
        optional = condition: value: if condition then [ value ] else [ ];
        optionalAttrs = condition: set: if condition then set else { };
        makeLibraryPath =
          packages: builtins.concatStringsSep ":" (map (package: "${package}/lib") packages);
      };
      packagesOf =
        system:
        let
          isLinux = builtins.match ".*-linux" system != null;
          run =
            name: script:
            derivation {
              inherit name system;
              builder = "/bin/bash";
              args = [
                "-euc"
                "${script}\nexit" # nix kills who closes its output, as mkdir does just before it ends: bash is to end last
              ];
              PATH = "/usr/bin:/bin";
            };
          package = name: run name "mkdir $out";
          onLinux = name: if isLinux then package name else throw "${name} is not available on ${system}";
          python313 = run "python313" "mkdir -p $out/bin && echo >$out/bin/python3.13";
          jdk21_headless = package "jdk21_headless";
        in
        {
          stdenv = {
            hostPlatform = { inherit isLinux system; };
            cc = {
              cc.lib = onLinux "gcc-lib";
              bintools.dynamicLinker = "${onLinux "glibc"}/lib/ld-linux.so";
            };
          };
          mkShellNoCC =
            {
              packages,
              env,
              shellHook,
            }:
            derivation (
              env
              // {
                inherit system shellHook;
                name = "nix-shell";
                outputs = [ "out" ];
                builder = "/bin/bash";
                args = [
                  "-c"
                  "export >$out"
                ];
                nativeBuildInputs = packages;
                stdenv = ./.; # its `setup`
              }
            )
            // {
              inherit packages env shellHook;
            };
          runCommand =
            name: given: script:
            run name "# ${toString given.nativeBuildInputs}\n${script}";
          python313 = python313 // {
            interpreter = "${python313}/bin/python3.13";
          };
          jdk21_headless = jdk21_headless // {
            home = if isLinux then "${jdk21_headless}/lib/openjdk" else jdk21_headless; # OpenJDK; Zulu
          };
          # What `nix develop` itself asks for.
          bashInteractive = run "bash" "mkdir -p $out/bin && ln -s /bin/bash $out/bin/bash";
          chromium = onLinux "chromium";
          glibcLocales = onLinux "glibcLocales";
        }
        // lib.genAttrs [
          "cacert"
          "git"
          "gnumake"
          "nixfmt"
          "nixfmt-tree"
          "postgresql_18"
          "uv"
          "zlib"
        ] package;
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ] packagesOf;
    };
}
