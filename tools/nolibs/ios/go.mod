module github.com/oliverbestmann/webgpu/libs-ios

go 1.26
